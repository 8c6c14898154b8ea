unit_test(config rc_config)
unit_test(pack rc_pack)
unit_test(daemon rc_daemon)
