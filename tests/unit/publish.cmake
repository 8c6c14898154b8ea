unit_test(in_flight rc_publish)
unit_test(dead_letter rc_publish)
