using System.Diagnostics;

namespace Crosscore.Rcu;

/// <summary>
/// An open read section that another thread may leave, so that it may contain <c>await</c>: see
/// <see cref="RcuDomain.EnterAsyncReadSection"/>. It costs an object and two short locks, which only sections entered
/// on the same processor share: some tens of nanoseconds. The second Dispose does nothing.
/// </summary>
/// <remarks>
/// A section that is never left delays every later grace period of its domain; <see cref="RcuDomain.GetHolders"/> names
/// the method that entered it. A wait inside of such a section for a grace period of its domain never ends, unless it
/// is canceled: the library does not know which thread or task is inside, so it cannot refuse the wait.
/// </remarks>
public sealed class RcuAsyncReadSection : IDisposable
{
    private readonly RcuDomain _domain;
    private readonly string? _member; // the method that entered, with file and line, for GetHolders
    private readonly string? _file;
    private readonly int _line;
    private int _left; // 1 when the section was left

    internal RcuAsyncReadSection(RcuDomain domain, string? member, string? file, int line)
    {
        _domain = domain;
        _member = member;
        _file = file;
        _line = line;
    }

    internal string EnteredBy => $"{_member} ({Path.GetFileName(_file)}:{_line})";

    internal long EnteredAt { get; } = Stopwatch.GetTimestamp();

    /// <summary>As <see cref="ReaderWord"/>, of depth 1; written once, under the lock of the stripe.</summary>
    internal long Word { get; set; }

    // The list that the section is in, guarded by the lock of its stripe.
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

    internal void ThrowIfNotOpenIn(RcuDomain domain)
    {
        if (_domain != domain || Volatile.Read(ref _left) != 0)
        {
            throw new InvalidOperationException(
                _domain != domain
                    ? "The read section belongs to another domain, so it protects nothing here. "
                        + "Enter a section of the domain that was given to the cell or map."
                    : "The read section has been left, so it protects nothing. "
                        + "Enter one with RcuDomain.EnterAsyncReadSection()."
            );
        }
    }
}
