/* Answers of S3 servers and files of credentials: arbitrary bytes are read or refused. */
#include "common/fs/remote/xml.h"
#include "common/fs/s3/client.h"

static int on_element(void *arg, const char *path, struct slice text, struct error *err)
{
    size_t *n = arg;
    *n += strlen(path) + text.len;
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = slice_make((const char *)data, size);
    STR_AUTO first = STR_INIT;
    STR_AUTO second = STR_INIT;
    STR_AUTO third = STR_INIT;
    size_t n = 0;
    int rc = xml_read(text, on_element, &n, NULL);
    ASSERT(rc == 0 || rc == ERR_CORRUPT);
    (void)xml_find(text, "Error/Code", &first);
    (void)s3_profile_read(text, "default", &first, &second, &third);
    str_clear(&first);
    str_append(&first, text.data, text.len);
    (void)s3_http_time_ms(str_cstr(&first));
    return 0;
}
