# Driven by tests/integration/test_model.py; no test by itself.
add_executable(model_driver ${CMAKE_SOURCE_DIR}/tests/integration/model_driver.c)
target_link_libraries(model_driver PRIVATE rollcall_flags rc_model)
