using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;

namespace Crosscore.Rcu;

/// <summary>
/// The calling thread as a reader of a domain, looked up once, for loops that enter many sections: see
/// <see cref="RcuDomain.GetReader"/>. A <c>ref struct</c>, so it stays on its thread.
/// </summary>
[SuppressMessage(
    "Performance",
    "CA1815",
    Justification = "A ref struct cannot be compared through its interfaces, and a reader equals nothing."
)]
public readonly ref struct RcuReader
{
    private readonly ReaderSlot? _slot;
    private readonly RcuDomain? _domain;

    internal RcuReader(ReaderSlot slot, RcuDomain domain)
    {
        _slot = slot;
        _domain = domain;
    }

    /// <summary>Enters a section, as <see cref="RcuDomain.EnterReadSection"/> does.</summary>
    /// <exception cref="InvalidOperationException">The reader is <c>default</c>.</exception>
    /// <exception cref="ObjectDisposedException">The domain has been disposed of.</exception>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public RcuReadSection EnterReadSection()
    {
        ReaderSlot? slot = _slot;
        if (slot is null)
        {
            ThrowDefault();
        }

        return RcuReadSection.Enter(_domain!.Outside, slot, _domain);
    }

    [DoesNotReturn]
    private static void ThrowDefault() =>
        throw new InvalidOperationException(
            "RcuReader.EnterReadSection: the reader is default. Get one with RcuDomain.GetReader()."
        );
}
