# common/daemon
