using System.Runtime.CompilerServices;

namespace Crosscore.PerCpu;

/// <summary>
/// An open read section of a <see cref="PerCpuReadDomain"/>. It may cross an <see langword="await"/> and be disposed
/// of by another thread. Do not copy it: each copy would end the section once more, which
/// <see cref="PerCpuReadDomain.Synchronize"/> can only notice when no other is open.
/// </summary>
public struct PerCpuReadSection : IDisposable, IEquatable<PerCpuReadSection>
{
    private readonly int _period;
    private PerCpuReadDomain? _section;

    internal PerCpuReadSection(PerCpuReadDomain section, int period)
    {
        _section = section;
        _period = period;
    }

    /// <summary>Ends the section.</summary>
    /// <exception cref="InvalidOperationException">It has ended already, or never began.</exception>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Dispose()
    {
        PerCpuReadDomain section =
            _section ?? throw new InvalidOperationException("The section has ended already, or never began.");
        _section = null;
        section.End(_period);
    }

    /// <inheritdoc/>
    public readonly bool Equals(PerCpuReadSection other) =>
        ReferenceEquals(_section, other._section) && _period == other._period;

    /// <inheritdoc/>
    public override readonly bool Equals(object? obj) => obj is PerCpuReadSection other && Equals(other);

    /// <inheritdoc/>
    public override readonly int GetHashCode() => HashCode.Combine(_section, _period);

    /// <summary>Whether both are of the same object and period.</summary>
    /// <param name="left">One.</param>
    /// <param name="right">The other.</param>
    public static bool operator ==(PerCpuReadSection left, PerCpuReadSection right) => left.Equals(right);

    /// <summary>Whether they differ.</summary>
    /// <param name="left">One.</param>
    /// <param name="right">The other.</param>
    public static bool operator !=(PerCpuReadSection left, PerCpuReadSection right) => !left.Equals(right);
}
