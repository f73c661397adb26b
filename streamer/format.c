#include "streamer/format.h"

#include "streamer/consumer_frame.h"
#include "streamer/frame.h"
#include "streamer/socket_frame.h"

static const struct format_forms *const all[FORMAT_COUNT] = {
	[FORMAT_SSE] = &frame_forms,
	[FORMAT_SOCKET] = &socket_frame_forms,
	[FORMAT_CONSUMER] = &consumer_frame_forms,
};

const struct format_forms *format_forms(enum format format)
{
	return all[format];
}
