# Driven by tests/integration/test_kafka_adapter.py; no test by itself.
add_executable(kafka_driver ${CMAKE_SOURCE_DIR}/tests/integration/kafka_driver.c)
target_link_libraries(kafka_driver PRIVATE rc_kafka)
unit_test(batch_end rc_kafka)
# It has its own functions in place of those that call librdkafka.
unit_test(unreadable rc_kafka)
