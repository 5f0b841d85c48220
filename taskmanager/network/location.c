/* Where a producer is, as text, and the hello that opens a data connection.  Pure functions. */
#include "taskmanager/network/network.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PORT_MAX = 65535 };

int data_hello_check(const struct data_hello *hello, struct error *err)
{
    if (memcmp(hello->magic, DATA_HELLO_MAGIC, sizeof(hello->magic)) != 0) {
        return error_set(
            err, ERR_CORRUPT,
            "a connection to the data port that does not speak its protocol: it is for "
            "task managers only");
    }
    if (hello->version != DATA_HELLO_VERSION) {
        return error_set(err, ERR_UNSUPPORTED,
                         "a data connection of version %u, this program speaks version %d; run the "
                         "same version on all hosts of a cluster",
                         hello->version, DATA_HELLO_VERSION);
    }
    if (hello->reserved != 0) {
        return error_set(err, ERR_CORRUPT, "a data connection whose hello has unknown bits");
    }
    return 0;
}

static COLD int bad_location(const char *text, const char *what, struct error *err)
{
    return error_set(err, ERR_PARSE,
                     "data location '%.300s': %s; expected host:port/<32 hex digits>", text, what);
}

int data_location_parse(const char *text, struct data_location *ret, struct error *err)
{
    struct data_location l = {.port = 0};
    const char *slash = strrchr(text, '/');
    if (slash == NULL || !id_parse(slash + 1, &l.incarnation)) {
        return bad_location(text, "no incarnation", err);
    }
    const char *colon = slash;
    while (colon > text && *colon != ':') {
        colon--;
    }
    if (*colon != ':') {
        return bad_location(text, "no port", err);
    }
    size_t n_digits = (size_t)(slash - colon - 1);
    if (n_digits == 0 || n_digits > 5 || strspn(colon + 1, "0123456789") != n_digits) {
        return bad_location(text, "no port", err);
    }
    l.port = (uint32_t)strtoul(colon + 1, NULL, 10);
    if (l.port == 0 || l.port > PORT_MAX) {
        return bad_location(text, "a port that there is not", err);
    }
    const char *host = text;
    size_t len = (size_t)(colon - text);
    if (len >= 2 && host[0] == '[' && host[len - 1] == ']') { /* IPv6 */
        host++;
        len -= 2;
    }
    if (len == 0 || len >= sizeof(l.host)) {
        return bad_location(text, "no host, or one that is too long", err);
    }
    memcpy(l.host, host, len);
    *ret = l;
    return 0;
}
