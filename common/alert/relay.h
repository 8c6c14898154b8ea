#pragma once
/* The mail relay, or Maildir, of the configuration. */
#include "config/service.h"
#include "mail/transport.h"

int relay_open(const struct service *s, struct transport **ret, struct err *e) MUST_CHECK;
