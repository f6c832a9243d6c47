"""Management controllers: iDRAC9- and iDRAC10-shaped Redfish services, with an NVIDIA HGX baseboard behind those that have one."""
