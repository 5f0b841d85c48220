/* See error_info.h. */
#include "common/rpc/error_info.h"
#include "common/base/str.h"
#include <stdio.h>

void error_info_fill(Flinc__ErrorInfo *ret, const struct error *err)
{
    flinc__error_info__init(ret);
    ret->code = err->code;
    ret->error_class = (uint32_t)err->cls;
    ret->message = (char *)err->message;
    ret->frames = (char *)err->frames;
}

void error_info_set_origin(Flinc__ErrorInfo *info, const struct error *err,
                           char origin[ERROR_INFO_ORIGIN_MAX])
{
    snprintf(origin, ERROR_INFO_ORIGIN_MAX, "%s:%d", err->file != NULL ? err->file : "unknown",
             err->line);
    info->origin = origin;
}

void error_info_read(const Flinc__ErrorInfo *info, const char *otherwise, struct error *ret)
{
    if (info == NULL || info->code >= 0) {
        error_set(ret, ERR_UNAVAILABLE, "%s", otherwise);
        return;
    }
    error_set(ret, info->code, "%s", info->message);
    error_set_class(ret, info->error_class <= ERROR_CLASS_BUG ? (enum error_class)info->error_class
                                                              : error_code_class(info->code));
    struct slice rest = slice_cstr(info->frames);
    struct slice frame;
    while (slice_next(&rest, '\n', &frame)) {
        if (frame.len > 0) {
            error_context(ret, "%.*s", (int)MIN(frame.len, (size_t)ERROR_FRAMES_MAX), frame.data);
        }
    }
}
