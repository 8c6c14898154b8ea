/* SPDX-License-Identifier: Apache-2.0 */
/* Which addresses mail is sent to and from. */
#include "mail/address.h"

#include <string.h>

enum { ADDRESS_MAX = 254, LOCAL_MAX = 64, LABEL_MAX = 63 };

bool mail_is_alnum(unsigned char c)
{
        return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool mail_is_atext(unsigned char c)
{
        return mail_is_alnum(c) || (c && strchr("!#$%&'*+-/=?^_`{|}~", c));
}

static bool check_local(struct span s)
{
        for (size_t i = 0; i < s.len; i++) {
                bool dot = s.ptr[i] == '.';
                if (dot ? i == 0 || i == s.len - 1 || s.ptr[i - 1] == '.'
                        : !mail_is_atext((unsigned char)s.ptr[i]))
                        return false;
        }
        return s.len > 0 && s.len <= LOCAL_MAX;
}

static bool check_domain(struct span s)
{
        size_t label = 0; /* length of the label so far */
        for (size_t i = 0; i < s.len; i++) {
                bool last = i + 1 == s.len || s.ptr[i + 1] == '.';
                if (s.ptr[i] == '.') {
                        if (label == 0 || i + 1 == s.len)
                                return false;
                        label = 0;
                        continue;
                }
                bool hyphen = s.ptr[i] == '-' && label > 0 && !last;
                label++;
                if (!(mail_is_alnum((unsigned char)s.ptr[i]) || hyphen) || label > LABEL_MAX)
                        return false;
        }
        return s.len > 0;
}

int mail_check_address(struct span address, struct err *e)
{
        const char *at = address.len ? memrchr(address.ptr, '@', address.len) : NULL;
        if (at && address.len <= ADDRESS_MAX) {
                size_t local = (size_t)(at - address.ptr);
                if (check_local((struct span){ address.ptr, local }) &&
                    check_domain((struct span){ at + 1, address.len - local - 1 }))
                        return 0;
        }
        return err_set(e, ERR_INPUT, "",
                       "address is not local@domain of at most %d characters (letters, digits and "
                       "the usual signs)",
                       ADDRESS_MAX);
}
