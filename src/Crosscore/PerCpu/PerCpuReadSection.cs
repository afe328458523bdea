using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;

namespace Crosscore.PerCpu;

/// <summary>
/// An open read section of a <see cref="PerCpuReadDomain"/>. It may cross an <see langword="await"/> and be disposed
/// of by another thread. Do not copy it: each copy ends the section again, which
/// <see cref="PerCpuReadDomain.Synchronize"/> can only notice when no other section is open.
/// </summary>
[SuppressMessage(
    "Performance",
    "CA1815:Override equals and operator equals on value types",
    Justification = "A section is ended, not compared."
)]
public struct PerCpuReadSection : IDisposable
{
    private readonly int _period;
    private PerCpuReadDomain? _domain;

    internal PerCpuReadSection(PerCpuReadDomain domain, int period)
    {
        _domain = domain;
        _period = period;
    }

    /// <summary>Ends the section. The second call does nothing, nor does the call on a default value.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Dispose()
    {
        if (_domain is { } domain)
        {
            _domain = null;
            domain.End(_period);
        }
    }
}
