// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0)
/* One PCI driver for both functions of a ptnet passthrough: memory devices and network devices. */
#include <linux/module.h>
#include <linux/pm.h>

#include "ptnet.h"

/* QEMU gives the first two ids to bridges and USB controllers of its own too: the class tells them apart. */
#define PTNET_ID(device, class) \
	{ PCI_DEVICE(PTNET_PCI_VENDOR, device), (class) << 8, 0xffff00, 0 }

static const struct pci_device_id ptnet_pci_ids[] = {
	PTNET_ID(PTNET_PCI_MEMDEV, PCI_CLASS_OTHERS << 8),
	PTNET_ID(PTNET_PCI_NETDEV, PCI_CLASS_NETWORK_ETHERNET),
	PTNET_ID(PTNET_PCI_MEMDEV_OTHER, PCI_CLASS_OTHERS << 8),
	PTNET_ID(PTNET_PCI_NETDEV_OTHER, PCI_CLASS_NETWORK_ETHERNET),
	{ }
};
MODULE_DEVICE_TABLE(pci, ptnet_pci_ids);

static bool ptnet_is_netdev(const struct pci_dev *pdev)
{
	return pdev->class >> 8 == PCI_CLASS_NETWORK_ETHERNET;
}

static int ptnet_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	return ptnet_is_netdev(pdev) ? ptnet_netdev_probe(pdev) : ptnet_mem_probe(pdev);
}

static void ptnet_remove(struct pci_dev *pdev)
{
	if (ptnet_is_netdev(pdev))
		ptnet_netdev_remove(pdev);
	else
		ptnet_mem_remove(pdev);
}

/* Before a reboot or kexec: the host must not write into memory that the next kernel uses for something else. */
static void ptnet_shutdown(struct pci_dev *pdev)
{
	if (ptnet_is_netdev(pdev))
		ptnet_netdev_suspend(pdev);
}

static int ptnet_suspend(struct device *dev)
{
	if (ptnet_is_netdev(to_pci_dev(dev)))
		ptnet_netdev_suspend(to_pci_dev(dev));
	return 0;
}

static int ptnet_resume(struct device *dev)
{
	/* The device link has memory devices resumed before those that use them. */
	if (ptnet_is_netdev(to_pci_dev(dev)))
		ptnet_netdev_resume(to_pci_dev(dev));
	else
		ptnet_mem_resume(to_pci_dev(dev));
	return 0;
}

/*
 * No .thaw: while a hibernation's image is written interfaces stay away. What a guest sends and is told then is not in
 * the image, and a TCP that goes on from there is told of bytes that it has never sent, and takes no acknowledgement any
 * more. See ptnet_pm_event().
 */
static const struct dev_pm_ops ptnet_pm_ops = {
	.suspend	= pm_sleep_ptr(ptnet_suspend),
	.resume		= pm_sleep_ptr(ptnet_resume),
	.freeze		= pm_sleep_ptr(ptnet_suspend),
	.poweroff	= pm_sleep_ptr(ptnet_suspend),
	.restore	= pm_sleep_ptr(ptnet_resume),
};

static struct pci_driver ptnet_driver = {
	.name		= PTNET_NAME,
	.id_table	= ptnet_pci_ids,
	.probe		= ptnet_probe,
	.remove		= ptnet_remove,
	.shutdown	= ptnet_shutdown,
	.driver.pm	= &ptnet_pm_ops,
};

static bool leaving;

static void ptnet_attach(struct work_struct *work)
{
	if (!READ_ONCE(leaving) && driver_attach(&ptnet_driver.driver))
		pr_err(PTNET_NAME ": looking for network devices failed\n");
}

static DECLARE_WORK(attach_work, ptnet_attach);

/* Has network devices without a driver probed again; not at once, because the caller is in a probe itself. */
void ptnet_attach_later(void)
{
	schedule_work(&attach_work);
}

static int __init ptnet_init(void)
{
	int err = pci_register_driver(&ptnet_driver);

	/* Network devices that were looked at before their memory: whoever loads the module finds their interfaces. */
	if (!err)
		flush_work(&attach_work);
	return err;
}

static void __exit ptnet_exit(void)
{
	/* What is attached while the driver is unregistered would stay. */
	WRITE_ONCE(leaving, true);
	cancel_work_sync(&attach_work);
	pci_unregister_driver(&ptnet_driver);
	cancel_work_sync(&attach_work);
}

module_init(ptnet_init);
module_exit(ptnet_exit);

MODULE_DESCRIPTION("netmap passthrough (ptnet) network driver");
MODULE_AUTHOR("The ptnetmap authors");
MODULE_LICENSE("Dual BSD/GPL");
