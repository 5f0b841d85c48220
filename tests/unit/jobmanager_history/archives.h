/* Archives made by hand, and a folder of them. */
#ifndef FLINC_TESTS_JOBMANAGER_HISTORY_ARCHIVES_H
#define FLINC_TESTS_JOBMANAGER_HISTORY_ARCHIVES_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/failpoint.h"
#include "common/base/log.h"
#include "common/fs/fs.h"
#include <cmocka.h>
#include <unistd.h>

#define ID_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define ID_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define ID_C "cccccccccccccccccccccccccccccccc"

/* An archive of job `id` with three answers. */
static inline char *archive_text(const char *id, const char *name)
{
    struct str text = STR_INIT;
    str_printf(&text,
               "{\"archive\":[{\"path\":\"/jobs/"
               "overview\",\"json\":\"{\\\"jobs\\\":[{\\\"jid\\\":\\\"%s\\\","
               "\\\"name\\\":\\\"%s\\\",\\\"state\\\":\\\"FINISHED\\\"}]}\"},"
               "{\"path\":\"/jobs/%s\",\"json\":\"{\\\"jid\\\":\\\"%s\\\"}\"},"
               "{\"path\":\"/jobs/%s/vertices/v1/subtasks/0\",\"json\":\"{\\\"subtask\\\":0}\"}]}",
               id, name, id, id, id);
    return str_take(&text);
}

static inline void write_text(const char *folder, const char *name, const char *text)
{
    STR_AUTO path = STR_INIT;
    str_printf(&path, "%s/%s", folder, name);
    FILE *f = fopen(str_cstr(&path), "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
    assert_int_equal(fclose(f), 0);
}

static inline void write_archive(const char *folder, const char *id, const char *name)
{
    char *text = archive_text(id, name);
    write_text(folder, id, text);
    mem_free(text);
}

#endif
