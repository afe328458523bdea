// An HTTP server that counts its requests and their latencies per CPU and publishes them by System.Diagnostics.Metrics.
// See README.md beside this file.
using System.Diagnostics;
using System.Diagnostics.Metrics;
using Crosscore.PerCpu;

if (
    args.Length > 1
    || (
        args.Length == 1
        && !(
            Uri.TryCreate(args[0], UriKind.Absolute, out Uri? given)
            && given is { Scheme: "http", AbsolutePath: "/", Query: "" }
        )
    )
)
{
    Console.Error.WriteLine(
        $"PerCpuMetrics: '{string.Join(' ', args)}' is no address to "
            + "listen on. Give none, or one as http://127.0.0.1:5080."
    );
    return 2;
}

string address = args.Length == 1 ? args[0] : "http://127.0.0.1:5080";
var requests = new PerCpuCounter();
var active = new PerCpuCounter();
var latency = new PerCpuHistogram(10, 20, 50, 100, 200, 500, 1_000, 10_000);

using var meter = new Meter("Crosscore.Samples.PerCpuMetrics");
meter.ObserveCounter(requests, "sample.requests", "{request}", "Requests answered.");
meter.ObserveUpDownCounter(active, "sample.requests.active", "{request}", "Requests being answered.");
meter.ObserveHistogram(latency, "sample.latency", "us", "From the first line of the pipeline to the last.");

WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
builder.Logging.ClearProviders();
WebApplication app = builder.Build();
app.Use(
    async (context, next) =>
    {
        long began = Stopwatch.GetTimestamp();
        active.Increment();
        try
        {
            await next(context);
        }
        finally
        {
            // Perhaps on another CPU than above: a counter does not mind, its sum is over all of them.
            active.Decrement();
            requests.Increment();
            latency.Record((long)Stopwatch.GetElapsedTime(began).TotalMicroseconds);
        }
    }
);
app.MapGet("/", () => "Hello.\n");
app.MapGet("/metrics", () => string.Concat(Collect(meter).Order(StringComparer.Ordinal).Select(line => line + "\n")));
app.MapGet(
    "/cpus",
    () =>
    {
        long[] slots = new long[RestartableSequences.CpuSlots + 1];
        long sum = requests.Read(slots);
        IEnumerable<string> counts = slots.Select(
            (count, slot) => slot < slots.Length - 1 ? $"CPU {slot} {count}" : $"no CPU {count}"
        );
        return $"{sum} requests: {string.Join(", ", counts)}; sections: {requests.UsesSections}\n";
    }
);
app.Urls.Add(address);
try
{
    await app.StartAsync();
}
catch (Exception refusal) when (refusal is IOException or System.Net.Sockets.SocketException)
{
    Console.Error.WriteLine(
        $"PerCpuMetrics: {refusal.Message.TrimEnd('.')}. Give another as argument, for example http://127.0.0.1:5081."
    );
    return 1;
}

Console.WriteLine(
    $"{string.Join(' ', app.Urls)} answers /, /cpus and /metrics. Ctrl+C ends it. {RestartableSequences.Explanation}"
);
await app.WaitForShutdownAsync();
return 0;

// What an exporter does: listens to the meter and asks its instruments. dotnet-counters or OpenTelemetry would see the
// same.
static List<string> Collect(Meter meter)
{
    var lines = new List<string>();
    using var listener = new MeterListener
    {
        InstrumentPublished = (instrument, own) =>
        {
            if (instrument.Meter == meter)
            {
                own.EnableMeasurementEvents(instrument);
            }
        },
    };
    listener.SetMeasurementEventCallback<long>(
        (instrument, value, tags, _) =>
            lines.Add(
                $"{instrument.Name}{string.Concat(tags.ToArray().Select(tag => $"{{{tag.Key}=\"{tag.Value}\"}}"))} "
                    + $"{value}"
            )
    );
    listener.Start();
    listener.RecordObservableInstruments();
    return lines;
}
