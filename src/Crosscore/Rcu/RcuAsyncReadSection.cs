using System.Diagnostics;

namespace Crosscore.Rcu;

/// <summary>
/// A read section that may be left by another thread than entered it, and so may contain <c>await</c>: see
/// <see cref="RcuDomain.EnterAsyncReadSection"/>. It costs an object and two short locks that only users of the same
/// processor share, some tens of nanoseconds. Leaving it twice does nothing.
/// </summary>
/// <remarks>
/// A section that is never left holds up every later grace period of its domain; <see cref="RcuDomain.GetHolders"/>
/// names the method that entered it. Waiting inside of such a section for a grace period of its domain never ends,
/// unless it is cancelled: which thread or task is inside is not known, so it cannot be found out and refused.
/// </remarks>
public sealed class RcuAsyncReadSection : IDisposable
{
    private readonly RcuDomain _domain;
    private readonly string? _member;
    private readonly string? _file;
    private readonly int _line;
    private int _left;

    internal RcuAsyncReadSection(RcuDomain domain, string? member, string? file, int line)
    {
        _domain = domain;
        _member = member;
        _file = file;
        _line = line;
    }

    internal string EnteredBy => $"{_member} ({Path.GetFileName(_file)}:{_line})";

    internal long EnteredAt { get; } = Stopwatch.GetTimestamp();

    internal long Word { get; set; }

    // The list that the section is in: kept under the lock of its stripe.
    internal AsyncSections.Stripe? Stripe { get; set; }

    internal RcuAsyncReadSection? Previous { get; set; }

    internal RcuAsyncReadSection? Next { get; set; }

    /// <summary>Leaves the section.</summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _left, 1) == 0)
        {
            AsyncSections.Leave(this);
        }
    }

    internal void Demand(RcuDomain domain)
    {
        if (_domain != domain || Volatile.Read(ref _left) != 0)
        {
            throw new InvalidOperationException(
                _domain != domain
                    ? "The read section belongs to another domain, so it protects "
                        + "nothing here. Enter one of the domain that was given to the cell."
                    : "The read section has been left, so it protects nothing."
            );
        }
    }
}
