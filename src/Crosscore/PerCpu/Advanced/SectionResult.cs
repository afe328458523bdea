using System.Runtime.InteropServices;

namespace Crosscore.PerCpu.Advanced;

/// <summary>How a section ended. The layout is that of the two registers in which machine code returns it.</summary>
[StructLayout(LayoutKind.Sequential)]
public readonly record struct SectionResult
{
    private readonly long _value;
    private readonly long _left;

    private SectionResult(long value, bool left)
    {
        _value = value;
        _left = left ? 1 : 0;
    }

    /// <summary>Gets whether the commit was made. If not, nothing was stored that any thread may read.</summary>
    public bool Committed => _left == 0;

    /// <summary>
    /// Gets the value named by <see cref="SectionBuilder.Return"/> when committed, 0 without one; otherwise 0.
    /// </summary>
    public long Value => Committed ? _value : 0;

    /// <summary>Gets the code with which it left; 0 when committed.</summary>
    public int Code => Committed ? 0 : (int)_value;

    internal static SectionResult Done(long value) => new(value, left: false);

    internal static SectionResult Left(int code) => new(code, left: true);
}
