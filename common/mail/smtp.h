/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Mail over SMTP. */
#include "mail/smtp_options.h"
#include "mail/transport.h"

/* What is given is copied. ERR_FATAL for an option that cannot be. */
int transport_smtp(const struct smtp_options *o, struct transport **ret, struct err *e) MUST_CHECK;
