using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;

namespace Crosscore.Reclamation;

/// <summary>
/// The calling thread's place in a domain, looked up once, for loops that enter many sections: see <see cref="RcuDomain.GetReader"/>. A <c>ref struct</c>, so it stays on its thread.
/// </summary>
[SuppressMessage("Performance", "CA1815", Justification = "A ref struct cannot be compared by way of its interfaces, and a reader equals nothing.")]
public readonly ref struct RcuReader
{
    private readonly ReaderSlot? _slot;

    internal RcuReader(ReaderSlot slot) => _slot = slot;

    /// <summary>Enters a section, as <see cref="RcuDomain.EnterReadSection"/> does.</summary>
    /// <exception cref="InvalidOperationException">This is <c>default</c>.</exception>
    /// <exception cref="ObjectDisposedException">The domain has been disposed of.</exception>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public RcuReadSection Enter()
    {
        RcuDomain? domain = _slot?.Domain;
        if (domain is null)
        {
            ThrowNoDomain();
        }

        return RcuReadSection.Enter(_slot!, ref domain.Entry);
    }

    [DoesNotReturn]
    private void ThrowNoDomain() => throw (_slot is null
        ? new InvalidOperationException("The reader is default. Get one with RcuDomain.GetReader().")
        : new ObjectDisposedException(nameof(RcuDomain)));
}
