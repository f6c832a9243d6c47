"""Management controllers: iDRAC9- and iDRAC10-shaped Redfish services, some with an NVIDIA HGX baseboard behind them."""
