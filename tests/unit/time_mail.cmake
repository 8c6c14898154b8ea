unit_test(zone_cron rc_time)
unit_test(template rc_template)
unit_test(mail_message rc_mail)
unit_test(transport rc_mail)

# Driven by tests/integration/test_mail.py.
add_executable(send_mail ${CMAKE_SOURCE_DIR}/tests/integration/send_mail.c)
target_link_libraries(send_mail PRIVATE rollcall_flags rc_mail)

# Driven by tests/integration/test_zones.py.
add_executable(zone_driver ${CMAKE_SOURCE_DIR}/tests/integration/zone_driver.c)
target_link_libraries(zone_driver PRIVATE rollcall_flags rc_time)
