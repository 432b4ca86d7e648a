"""The tests of Sluice: unit, integration, faults and browser, over real sockets."""
