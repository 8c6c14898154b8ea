unit_test(in_flight rc_publish)
