#include "streamer/ahead.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"

struct ahead {
	struct log_event events[AHEAD_KEPT]; /* the oldest first */
	char *data[AHEAD_KEPT];              /* theirs */
	size_t count, bytes;                 /* of data */
};

static void drop_first(struct ahead *ahead)
{
	ahead->bytes -= ahead->events[0].data.n;
	free(ahead->data[0]);
	ahead->count--;
	memmove(&ahead->events[0], &ahead->events[1], ahead->count * sizeof(ahead->events[0]));
	memmove(&ahead->data[0], &ahead->data[1], ahead->count * sizeof(ahead->data[0]));
}

/* The data with one member more; it was checked when it was appended. */
static void mark(struct str data, struct buf *out)
{
	struct str members = str_trim(str_make(data.p + 1, data.n - 2));

	buf_init(out, AHEAD_DATA_MAX + 64);
	buf_add_char(out, '{');
	buf_add_str(out, members);
	buf_add_cstr(out, members.n > 0 ? ",\"ahead\":true}" : "\"ahead\":true}");
}

static void add(struct ahead *ahead, const struct log_event *event, enum event_type type)
{
	size_t i = ahead->count++, n;
	struct buf data;

	mark(event->data, &data);
	n = data.len;
	ahead->data[i] = mem_strndup(buf_str(&data)); /* no larger than it is */
	buf_fini(&data);
	ahead->bytes += n;
	ahead->events[i] = (struct log_event){ .at = event->at,
		                               .ts_ms = event->ts_ms,
		                               .type = str_of(event_type_info(type)->name),
		                               .data = str_make(ahead->data[i], n) };
}

void ahead_push(struct ahead **ahead, const struct log_event *event)
{
	enum event_type type;

	if (!event_type_parse(event->type, &type) ||
	    event_type_info(type)->kind != EVENT_KIND_KEEP || event->data.n < 2 ||
	    event->data.n > AHEAD_DATA_MAX) {
		return;
	}
	if (*ahead == NULL) {
		*ahead = mem_calloc(1, sizeof(**ahead));
	}
	if ((*ahead)->count == AHEAD_KEPT) {
		drop_first(*ahead);
	}
	add(*ahead, event, type);
}

const struct log_event *ahead_after(const struct ahead *ahead, uint64_t n, uint64_t classes)
{
	for (size_t i = 0; ahead != NULL && i < ahead->count; i++) {
		const struct log_event *event = &ahead->events[i];

		if (event->at.n > n && (classes >> log_event_class(event) & 1) != 0) {
			return event;
		}
	}
	return NULL;
}

size_t ahead_memory(const struct ahead *ahead)
{
	return ahead != NULL ? sizeof(*ahead) + ahead->bytes : 0;
}

void ahead_free(struct ahead *ahead)
{
	while (ahead != NULL && ahead->count > 0) {
		drop_first(ahead);
	}
	free(ahead);
}
