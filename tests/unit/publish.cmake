unit_test(backlog rc_publish)
unit_test(dead_letter rc_publish)
