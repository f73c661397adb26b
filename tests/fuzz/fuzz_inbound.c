/* The first byte chooses a face; the rest is a frame of a client. What is accepted fits its row;
 * what is not is explained. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/arena.h"
#include "event/event.h"
#include "streamer/follow.h"
#include "streamer/inbound.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_subscribe(const struct follow_subscribe *wish)
{
	assert(wish->session.n <= ID_LEN);
	assert(wish->after.at.n <= CURSOR_N_MAX && wish->after.at.epoch <= CURSOR_EPOCH_MAX);
	assert(wish->after.given || cursor_is_start(&wish->after.at));
	assert(wish->profile < EVENT_PROFILE_COUNT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena = arena_new();
	struct json_problems problems;
	const struct inbound_row *row;
	const struct inbound_head *head;
	void *body;
	struct str text, ref;

	if (size > 0) {
		enum inbound_face face = data[0] % 2 == 0 ? INBOUND_FOLLOW : INBOUND_CONSUMER;

		text = str_make((const char *)data + 1, size - 1);
		if (inbound_decode(face, text, arena, &row, &body, &ref, &problems) == ERR_OK) {
			head = body;
			assert(row->face == face && problems.count == 0);
			assert(str_eq(head->type, str_of(row->type)));
			assert(str_eq(head->ref, ref));
			if (row->body == &follow_subscribe_table) {
				check_subscribe(body);
			}
		} else {
			assert(problems.count > 0);
		}
		assert(ref.n <= INBOUND_REF_MAX);
	}
	arena_free(arena);
	return 0;
}
