"""Downloads by workers on other machines, under one driver that alone touches the catalog."""
