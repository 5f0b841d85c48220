/* A connector as third parties build it: a sink that counts.  Varieties by macros. */
#include <flinc/connector.h>
#include <stdlib.h>

#ifndef TEST_VERSION
#define TEST_VERSION FLINC_CONNECTOR_ABI_VERSION
#endif
#ifndef TEST_WRITE
#define TEST_WRITE count_rows
#endif

static int open_writer(const flinc_connector_table *table, void **ret_writer,
                       flinc_connector_error *error)
{
    (void)table;
    *ret_writer = calloc(1, sizeof(uint64_t));
    return *ret_writer != NULL
               ? 0
               : flinc_connector_fail(error, FLINC_CONNECTOR_UNAVAILABLE, "there is no memory");
}

FLINC_UNUSED static int count_rows(void *writer, const flinc_batch *rows, const uint8_t *kinds,
                                   flinc_connector_error *error)
{
    (void)kinds;
    (void)error;
    *(uint64_t *)writer += rows->n_selected;
    return 0;
}

static const flinc_connector_sink sink = {
    .struct_size = sizeof(sink), .open = open_writer, .write = TEST_WRITE, .close = free};
static const flinc_connector counting = {
    .struct_size = sizeof(counting),
    .abi_version = TEST_VERSION,
    .name = "counting",
    .description = "counts rows",
    .option_size = sizeof(flinc_table_option),
    .sink = &sink,
};
FLINC_CONNECTOR(counting);
