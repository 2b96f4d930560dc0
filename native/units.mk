# Which of the data path's files are compiled together, where it is not the product that is made: what a folder's files
# include is then read once. Those whose names clash with a neighbour's are compiled alone, as all are in the product.
#   SRC      native/src, seen from the Makefile that includes this one
#   SOURCES  the files, below SRC
#   ALONE    more that are compiled alone, such as os/%
#   objects  their objects in a folder: $(call objects,build/asan)

ALONE += os/overlay.cc packet/offload.cc packet/vnet_packet.cc datapath/worker.cc limits/switch.cc program/%
UNITED := $(filter-out $(ALONE:%=$(SRC)/%),$(SOURCES))
UNITS := $(sort $(patsubst $(SRC)/%/,%,$(dir $(UNITED))))
SINGLE := $(filter-out $(UNITED),$(SOURCES))
objects = $(UNITS:%=$(1)/unit-%.o) $(SINGLE:$(SRC)/%.cc=$(1)/%.o)

.SECONDARY: $(UNITS:%=build/units/%.cc)
# A folder is newer when a file has come or gone.
build/units/%.cc: $(SRC)/% $(SRC)/../units.mk
	@mkdir -p $(@D)
	@printf '#include "%s"\n' $(patsubst $(SRC)/%,%,$(filter $(SRC)/$*/%,$(UNITED))) > $@
