// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0)
/*
 * Memory devices: netmap regions of the host, mapped as a whole. Network devices find theirs by its id. A device link
 * makes the driver core end the users of a region before the region goes, and order suspend and shutdown.
 */
#include <linux/io.h>
#include <linux/mutex.h>
#include <linux/slab.h>

#include "ptnet.h"

static DEFINE_MUTEX(mems_lock);
static LIST_HEAD(mems);

static bool ptnet_mem_add(struct ptnet_mem *mem)
{
	struct ptnet_mem *other;
	bool fresh = true;

	mutex_lock(&mems_lock);
	list_for_each_entry(other, &mems, node)
		if (other->id == mem->id)
			fresh = false;
	if (fresh)
		list_add_tail(&mem->node, &mems);
	mutex_unlock(&mems_lock);
	return fresh;
}

static void ptnet_mem_free(struct kref *ref)
{
	struct ptnet_mem *mem = container_of(ref, struct ptnet_mem, ref);

	memunmap(mem->base);
	pci_dev_put(mem->pdev);
	kfree(mem);
}

void ptnet_mem_put(struct ptnet_mem *mem)
{
	kref_put(&mem->ref, ptnet_mem_free);
}

static struct ptnet_mem *ptnet_mem_find(u32 id)
{
	struct ptnet_mem *mem, *found = NULL;

	mutex_lock(&mems_lock);
	list_for_each_entry(mem, &mems, node) {
		if (mem->id == id) {
			found = mem;
			kref_get(&mem->ref);
		}
	}
	mutex_unlock(&mems_lock);
	return found;
}

/**
 * ptnet_mem_get() - find the region @id for the device @user, which goes before it
 * @id: HOSTMEMID of the network device
 * @user: the network device, while it is being probed
 *
 * Return: the region, to be put; ERR_PTR(-EPROBE_DEFER) while it is not there.
 */
struct ptnet_mem *ptnet_mem_get(u32 id, struct device *user)
{
	struct ptnet_mem *mem = ptnet_mem_find(id);
	struct device_link *link = NULL;
	int err = -EPROBE_DEFER;

	if (!mem)
		return ERR_PTR(err);
	/* With its lock held the memory device cannot begin to go between the look and the link. */
	device_lock(&mem->pdev->dev);
	if (pci_get_drvdata(mem->pdev) == mem) {
		link = device_link_add(user, &mem->pdev->dev, DL_FLAG_AUTOREMOVE_CONSUMER);
		err = link ? 0 : -EINVAL;
	}
	device_unlock(&mem->pdev->dev);
	if (!err)
		return mem;
	ptnet_mem_put(mem);
	return ERR_PTR(err);
}

/**
 * ptnet_mem_at() - the address of a part of a region
 * @mem: the region
 * @ofs: offset in bytes
 * @len: bytes
 *
 * Return: NULL when it is not wholly inside the region, or not a multiple of 8.
 */
void *ptnet_mem_at(const struct ptnet_mem *mem, u64 ofs, u64 len)
{
	if (ofs % 8 || !ptnet_range_ok(ofs, len, mem->size))
		return NULL;
	return mem->base + ofs;
}

static int ptnet_mem_read(struct ptnet_mem *mem, void __iomem *regs, u64 bar_size)
{
	struct device *dev = &mem->pdev->dev;

	mem->size = (u64)ioread32(regs + PTNET_MDEV_IO_MEMSIZE_HI) << 32 |
		    ioread32(regs + PTNET_MDEV_IO_MEMSIZE_LO);
	mem->id = ioread32(regs + PTNET_MDEV_IO_MEMID);
	mem->buf_ofs = ioread32(regs + PTNET_MDEV_IO_BUF_POOL_OFS);
	mem->buf_num = ioread32(regs + PTNET_MDEV_IO_BUF_POOL_OBJNUM);
	mem->buf_size = ioread32(regs + PTNET_MDEV_IO_BUF_POOL_OBJSZ);

	if (!mem->size || mem->size > bar_size) {
		dev_err(dev, "a region of %llu bytes does not fit BAR %d, which has %llu\n",
			mem->size, PTNET_BAR_MEM, bar_size);
		return -EINVAL;
	}
	if (!mem->id || mem->id > U16_MAX) {
		dev_err(dev, "memory id %u is not one of 1 to %u\n", mem->id, U16_MAX);
		return -EINVAL;
	}
	if (mem->buf_size < PTNET_BUF_SIZE_MIN || mem->buf_size > PTNET_BUF_SIZE_MAX ||
	    !ptnet_range_ok(mem->buf_ofs, (u64)mem->buf_num * mem->buf_size, mem->size)) {
		dev_err(dev, "%u buffers of %u bytes at %llu are outside the region of %llu bytes\n",
			mem->buf_num, mem->buf_size, mem->buf_ofs, mem->size);
		return -EINVAL;
	}
	return 0;
}

static int ptnet_mem_look(struct ptnet_mem *mem)
{
	struct pci_dev *pdev = mem->pdev;
	void __iomem *regs = pci_iomap(pdev, PTNET_BAR_REGS, PTNET_MDEV_IO_END);
	int err;

	if (!regs)
		return -ENOMEM;
	err = ptnet_mem_read(mem, regs, pci_resource_len(pdev, PTNET_BAR_MEM));
	pci_iounmap(pdev, regs);
	return err;
}

static int ptnet_mem_map(struct ptnet_mem *mem)
{
	struct pci_dev *pdev = mem->pdev;
	int err = ptnet_mem_look(mem);

	if (err)
		return err;
	mem->base = memremap(pci_resource_start(pdev, PTNET_BAR_MEM), mem->size, MEMREMAP_WB);
	if (mem->base)
		return 0;
	dev_err(&pdev->dev, "BAR %d: %llu bytes cannot be mapped\n", PTNET_BAR_MEM, mem->size);
	return -ENOMEM;
}

int ptnet_mem_probe(struct pci_dev *pdev)
{
	struct ptnet_mem *mem;
	int err;

	if (pci_resource_len(pdev, PTNET_BAR_REGS) < PTNET_MDEV_IO_END ||
	    !(pci_resource_flags(pdev, PTNET_BAR_MEM) & IORESOURCE_MEM))
		return -ENODEV;
	err = pci_enable_device(pdev);
	if (err)
		return err;
	err = pci_request_regions(pdev, PTNET_NAME);
	if (err)
		goto disable;
	mem = kzalloc(sizeof(*mem), GFP_KERNEL);
	if (!mem) {
		err = -ENOMEM;
		goto release;
	}
	kref_init(&mem->ref);
	mem->pdev = pci_dev_get(pdev);
	err = ptnet_mem_map(mem);
	if (err)
		goto put;
	if (!ptnet_mem_add(mem)) {
		dev_err(&pdev->dev, "memory id %u: another memory device has it already\n", mem->id);
		err = -EEXIST;
		goto put;
	}
	pci_set_drvdata(pdev, mem);
	dev_info(&pdev->dev, "netmap memory %u: %llu bytes, %u buffers of %u\n",
		 mem->id, mem->size, mem->buf_num, mem->buf_size);
	/* Network devices that were here before, and those that lost the region that this one replaces. */
	ptnet_attach_later();
	return 0;

put:
	ptnet_mem_put(mem);
release:
	pci_release_regions(pdev);
disable:
	pci_disable_device(pdev);
	return err;
}

void ptnet_mem_remove(struct pci_dev *pdev)
{
	struct ptnet_mem *mem = pci_get_drvdata(pdev);

	mutex_lock(&mems_lock);
	list_del(&mem->node);
	mutex_unlock(&mems_lock);
	pci_set_drvdata(pdev, NULL);
	ptnet_mem_put(mem);
	pci_release_regions(pdev);
	pci_disable_device(pdev);
}

/* A guest that was hibernated may wake up on another host: what that one shows has to be what is mapped here. */
void ptnet_mem_resume(struct pci_dev *pdev)
{
	struct ptnet_mem *mem = pci_get_drvdata(pdev);
	struct ptnet_mem now = { .pdev = pdev };

	mem->stale = ptnet_mem_look(&now) || now.size != mem->size || now.id != mem->id ||
		     now.buf_ofs != mem->buf_ofs || now.buf_num != mem->buf_num || now.buf_size != mem->buf_size;
}
