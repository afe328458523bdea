using System.Diagnostics.Metrics;

namespace Crosscore.PerCpu;

/// <summary>
/// Instruments of System.Diagnostics.Metrics over per-CPU data: a thread that counts pays for an add, the collector of
/// metrics for the walk over the CPUs. The meter holds what it
/// observes.
/// </summary>
public static class PerCpuInstruments
{
    /// <summary>Publishes a counter that only grows.</summary>
    /// <param name="meter">The meter.</param>
    /// <param name="counter">What is observed.</param>
    /// <param name="name">The instrument's name.</param>
    /// <param name="unit">The unit, for example <c>{request}</c>.</param>
    /// <param name="description">A sentence for people.</param>
    public static ObservableCounter<long> ObserveCounter(
        this Meter meter,
        PerCpuCounter counter,
        string name,
        string? unit = null,
        string? description = null
    )
    {
        ArgumentNullException.ThrowIfNull(meter);
        ArgumentNullException.ThrowIfNull(counter);
        return meter.CreateObservableCounter(name, counter.Sum, unit, description);
    }

    /// <summary>Publishes a counter that grows and shrinks, as the number of requests that are being served.</summary>
    /// <inheritdoc cref="ObserveCounter"/>
    public static ObservableUpDownCounter<long> ObserveUpDownCounter(
        this Meter meter,
        PerCpuCounter counter,
        string name,
        string? unit = null,
        string? description = null
    )
    {
        ArgumentNullException.ThrowIfNull(meter);
        ArgumentNullException.ThrowIfNull(counter);
        return meter.CreateObservableUpDownCounter(name, counter.Sum, unit, description);
    }

    /// <summary>
    /// Publishes a histogram, as three counters, because .NET has no observable histogram: <c>NAME.bucket</c>, one
    /// measurement for each bound with the tag <c>le</c> (how many were at most that, and <c>+Inf</c> for all),
    /// <c>NAME.sum</c> and <c>NAME.count</c>. These are the names and meanings of Prometheus.
    /// </summary>
    /// <param name="meter">The meter.</param>
    /// <param name="histogram">What is observed.</param>
    /// <param name="name">The instruments' common name.</param>
    /// <param name="unit">The unit of what is measured.</param>
    /// <param name="description">A sentence for people.</param>
    public static void ObserveHistogram(
        this Meter meter,
        PerCpuHistogram histogram,
        string name,
        string? unit = null,
        string? description = null
    )
    {
        ArgumentNullException.ThrowIfNull(meter);
        ArgumentNullException.ThrowIfNull(histogram);
        _ = meter.CreateObservableCounter($"{name}.bucket", () => Buckets(histogram), unit: null, description);
        _ = meter.CreateObservableCounter($"{name}.sum", histogram.Sum, unit, description);
        _ = meter.CreateObservableCounter($"{name}.count", () => histogram.Counts().Sum(), unit: null, description);
    }

    private static IEnumerable<Measurement<long>> Buckets(PerCpuHistogram histogram)
    {
        long[] counts = histogram.Counts();
        long upTo = 0;
        for (int bucket = 0; bucket < counts.Length; bucket++)
        {
            upTo += counts[bucket];
            string bound =
                bucket < histogram.Bounds.Length
                    ? histogram.Bounds[bucket].ToString(System.Globalization.CultureInfo.InvariantCulture)
                    : "+Inf";
            yield return new Measurement<long>(upTo, new KeyValuePair<string, object?>("le", bound));
        }
    }
}
