/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Notifies a person without a worker: a mail to alert.to through the configured relay, and a POST
 * to the webhook of alert.webhook_file. */
#include "config/service.h"

bool alert_configured(const struct service *s);
/* Blocks for as long as relay and webhook take. 0 when every configured one has accepted it. */
int alert_send(const struct service *s, const char *subject, const char *text, struct err *e)
        MUST_CHECK;
