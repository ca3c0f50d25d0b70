# accountd
