namespace Crosscore.HazardPointers;

/// <summary>Collects what scans and callbacks threw, for a call that retires, reclaims or closes.</summary>
internal struct HazardFailures
{
    private List<Exception>? _callbacks; // what callbacks threw; null for nothing
    private Exception? _refusal; // why a scan failed

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

    /// <summary>Notes why a scan failed, or why the user's executor refused it; everything waits for the next
    /// scan.</summary>
    public void Refuse(Exception reason) => _refusal = reason;

    /// <exception cref="AggregateException">Something failed; the reason why a scan failed is the last of the inner
    /// exceptions.</exception>
    public readonly void Throw()
    {
        if (_callbacks is not null || _refusal is not null)
        {
            throw new AggregateException(
                "Callbacks of retired objects threw, or a scan failed (the inner exceptions say why). Each object was "
                    + "given to its callback at most once and will not be again; the others are retired and wait for "
                    + "the next scan.",
                _refusal is null ? Callbacks : [.. Callbacks, _refusal]
            );
        }
    }
}
