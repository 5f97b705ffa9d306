"""The gateway: the only entrance. It balances requests over two rings of replicas."""
