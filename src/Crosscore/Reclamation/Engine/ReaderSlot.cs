namespace Crosscore.Reclamation;

/// <summary>One thread's word in one domain. An object of the heap: whoever holds a section of it keeps it alive, also when its thread or its domain is gone.</summary>
internal sealed class ReaderSlot
{
    /// <summary>Stands in tables where a thread has no slot, so that looking up needs no test for null.</summary>
    public static readonly ReaderSlot None = new(null, null);

    public readonly Thread? Owner;

    /// <summary>Written by <see cref="Owner"/> alone, read by grace periods.</summary>
    public PaddedLong Word;

    private RcuDomain? _domain;

    public ReaderSlot(RcuDomain? domain, Thread? owner)
    {
        _domain = domain;
        Owner = owner;
    }

    /// <summary>Null when the domain has been disposed of.</summary>
    public RcuDomain? Domain => _domain;

    public void Detach() => Volatile.Write(ref _domain, null);
}
