unit_test(decide rc_scheduler)
