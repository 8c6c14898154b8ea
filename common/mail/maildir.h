/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Mail into a Maildir. */
#include "mail/transport.h"

/* Makes tmp/ new/ cur/ */
int transport_maildir(const char *folder, struct transport **ret, struct err *e) MUST_CHECK;
