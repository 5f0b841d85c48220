/* The state of an enumerator of text files from any bytes: refused, or the same again when it is written
 * and read once more. */
#include "engine/operators/io/text_enumerator_state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct text_enumerator_state a, b;
    STR_AUTO bytes = STR_INIT;

    text_enumerator_state_init(&a);
    text_enumerator_state_init(&b);
    if (text_enumerator_state_decode(data, size, &a, NULL) == 0) {
        text_enumerator_state_encode(a.next_id, a.scanned, a.pending.data, a.pending.len, &a.seen,
                                     &bytes);
        int rc = text_enumerator_state_decode((const uint8_t *)bytes.data, bytes.len, &b, NULL);
        ASSERT(rc == 0 && a.next_id == b.next_id && a.scanned == b.scanned);
        ASSERT(a.pending.len == b.pending.len && a.seen.len == b.seen.len);
        MAP_FOREACH (&a.seen, e) {
            ASSERT(map_find_bytes(&b.seen, e->key, e->key_len) != NULL);
        }
    }
    text_enumerator_state_fini(&a);
    text_enumerator_state_fini(&b);
    return 0;
}
