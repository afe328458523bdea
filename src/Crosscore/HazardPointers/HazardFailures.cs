namespace Crosscore.HazardPointers;

/// <summary>What scans and callbacks threw, as the one exception of a call that retires, reclaims or closes.</summary>
internal struct HazardFailures
{
    /// <summary>So many exceptions of callbacks are kept for a later call.</summary>
    public const int MostKept = 32;

    private List<Exception>? _callbacks;
    private Exception? _refusal;

    public readonly IReadOnlyList<Exception> Callbacks => _callbacks ?? (IReadOnlyList<Exception>)[];

    /// <summary>A callback threw.</summary>
    public void Add(Exception failure) => (_callbacks ??= []).Add(failure);

    /// <summary>Adds what other callbacks threw.</summary>
    public void Add(HazardFailures others)
    {
        foreach (Exception failure in others.Callbacks)
        {
            Add(failure);
        }
    }

    /// <summary>A scan failed, or the user's executor refused it; everything waits for the next one.</summary>
    public void Refuse(Exception reason) => _refusal = reason;

    /// <exception cref="AggregateException">Something failed; what refused a scan is the last of the inner
    /// exceptions.</exception>
    public readonly void Throw()
    {
        if (_callbacks is not null || _refusal is not null)
        {
            throw new AggregateException(
                "Callbacks of retired objects threw, or a scan could "
                    + "not be made. Each object was given to its callback at "
                    + "most once and will not be again; what has not been "
                    + "given to it is retired and waits for the next scan.",
                _refusal is null ? Callbacks : [.. Callbacks, _refusal]
            );
        }
    }
}
