#include "log_world.h"

struct rig rig_of(struct world *world)
{
	return (struct rig){
		world,
		{ .redis = world->redis, .generation = 1, .unarchived_max = 16 * 1024 * 1024 },
		id_new()
	};
}

struct log_result open_with(const struct rig *rig, const struct log_open *opening)
{
	struct log_result result;
	struct err err;

	if (log_open(&rig->store, opening, &result, &err) != ERR_OK) {
		fail_msg("open: %s", err.msg);
	}
	return result;
}

struct log_batch batch_of(const struct rig *rig, const struct log_new *events, size_t count)
{
	return (struct log_batch){
		.sid = rig->sid, .tenant = TENANT, .events = events, .count = count
	};
}

struct log_result append(const struct rig *rig, const struct log_batch *batch)
{
	struct log_result result;
	struct err err;

	if (log_append(&rig->store, batch, &result, &err) != ERR_OK) {
		fail_msg("append: %s", err.msg);
	}
	return result;
}

struct log_result note(const struct rig *rig, const char *producer, uint64_t seq)
{
	struct log_new event = { EVENT_TYPE_NOTE, STR_LIT("{\"message\":\"hello\"}") };
	struct log_batch batch = batch_of(rig, &event, 1);

	batch.producer = producer;
	batch.seq = seq;
	return append(rig, &batch);
}

struct log_page read_after(const struct rig *rig, struct cursor after, unsigned max)
{
	struct log_range range = { rig->sid, TENANT, after, max, 1024 * 1024 };
	struct log_page page;
	struct err err;

	if (log_read(&rig->store, &range, &page, &err) != ERR_OK) {
		fail_msg("read: %s", err.msg);
	}
	return page;
}
