# dnsd
