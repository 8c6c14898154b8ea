/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Addresses of mail. */
#include "base/buf.h"
#include "base/err.h"

/* ERR_INPUT unless it is local@domain with a dot-atom local part and a domain of letters, digits,
 * '-' and '.', at most 254 bytes: nothing of it can be a header or a command of its own. */
int mail_check_address(struct span address, struct err *e) MUST_CHECK;
/* ASCII letters and digits; with the other signs that RFC 5322 allows in an atom. */
bool mail_is_alnum(unsigned char c);
bool mail_is_atext(unsigned char c);
