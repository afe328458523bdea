using System.Runtime.CompilerServices;

namespace Crosscore.Rcu;

/// <summary>
/// A value that is read often and replaced rarely. The old value is disposed of, or passed to a callback, when the last
/// reader that may see it has left.
/// </summary>
/// <remarks>
/// A value must not be used after the section in which it was read; nothing can check that. For values that need no
/// disposal a plain field is enough: the garbage collector keeps alive what is being read.
/// </remarks>
/// <example>
/// <code>
/// using var certificate = new RcuCell&lt;MemoryStream&gt;(new MemoryStream(100));
/// using (certificate.Read(out MemoryStream current))
/// {
///     Console.WriteLine(current.Capacity); // not disposed of before the end of this block
/// }
///
/// certificate.Replace(new MemoryStream(200)); // the old one is disposed of after its last reader has left
/// </code>
/// </example>
/// <typeparam name="T">A class: values are exchanged by reference.</typeparam>
public sealed class RcuCell<T> : IDisposable
    where T : class
{
    private readonly ValueRetirement<T> _old;
    private T? _value; // null when disposed of

    /// <summary>Creates a cell.</summary>
    /// <param name="value">The first value.</param>
    /// <param name="domain">The domain whose sections protect readers; null for
    /// <see cref="RcuDomain.Default"/>.</param>
    /// <param name="reclaim">Called with an old value; null to dispose of it, if it is
    /// <see cref="IDisposable"/>.</param>
    /// <param name="size">
    /// Gets how many bytes a value occupies, for the limits of the domain; null for none. Called before the value is
    /// replaced, maybe more than once, inside of a section of the domain: it may retire, and must not wait for a grace
    /// period.
    /// </param>
    public RcuCell(T value, RcuDomain? domain = null, Action<T>? reclaim = null, Func<T, long>? size = null)
    {
        ArgumentNullException.ThrowIfNull(value);
        Domain = domain ?? RcuDomain.Default;
        _old = new ValueRetirement<T>(Domain, reclaim, size);
        Volatile.Write(ref _value, value);
    }

    /// <summary>Gets the domain whose sections protect readers of this cell.</summary>
    public RcuDomain Domain { get; }

    /// <summary>Enters a section and reads the value: <c>using (cell.Read(out Settings settings)) { ... }</c></summary>
    /// <exception cref="ObjectDisposedException">The cell or the domain has been disposed of; no section was
    /// entered.</exception>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public RcuReadSection Read(out T value)
    {
        RcuReadSection section = Domain.EnterReadSection();
        T? found = Volatile.Read(ref _value);
        if (found is null)
        {
            section.Dispose();
            ObjectDisposedException.ThrowIf(true, this);
        }

        value = found;
        return section;
    }

    /// <summary>Reads the value in a section that the caller has entered.</summary>
    /// <exception cref="InvalidOperationException">The section is <c>default</c>, has been left, or belongs to another
    /// domain.</exception>
    /// <exception cref="ObjectDisposedException">The cell has been disposed of.</exception>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public T Read(in RcuReadSection section)
    {
        section.ThrowIfNotOpenIn(Domain);
        return Volatile.Read(ref _value) ?? throw new ObjectDisposedException(nameof(RcuCell<>));
    }

    /// <summary>Reads the value in a section that may cross an await.</summary>
    /// <exception cref="InvalidOperationException">The section has been left, or belongs to another domain.</exception>
    /// <exception cref="ObjectDisposedException">The cell has been disposed of.</exception>
    public T Read(RcuAsyncReadSection section)
    {
        ArgumentNullException.ThrowIfNull(section);
        section.ThrowIfNotOpenIn(Domain);
        return Volatile.Read(ref _value) ?? throw new ObjectDisposedException(nameof(RcuCell<>));
    }

    /// <summary>
    /// Replaces the present value and retires it. Returns at once, or waits for room at a limit of the domain, as
    /// <see cref="RcuDomain.Retire(IDisposable, long)"/> does.
    /// </summary>
    /// <remarks>
    /// An exception of the function that gets the size is passed on before anything has changed: the cell holds what it
    /// held, and the new value still belongs to the caller.
    /// </remarks>
    /// <exception cref="ObjectDisposedException">The cell or the domain has been disposed of; the value still belongs
    /// to the caller.</exception>
    public void Replace(T value)
    {
        ArgumentNullException.ThrowIfNull(value);
        _ = TryExchange(null, value);
    }

    /// <summary>
    /// Replaces the present value if it is the expected one, and retires that. The expected value must have been read
    /// in a section that the caller has not left; otherwise another value could have been made of the same object.
    /// </summary>
    /// <returns>Whether the value was replaced; if not, the new value still belongs to the caller.</returns>
    /// <remarks><inheritdoc cref="Replace" path="/remarks/node()"/></remarks>
    /// <exception cref="ObjectDisposedException">The cell or the domain has been disposed of; the value still belongs
    /// to the caller.</exception>
    public bool TryReplace(T expected, T value)
    {
        ArgumentNullException.ThrowIfNull(expected);
        ArgumentNullException.ThrowIfNull(value);
        return TryExchange(expected, value);
    }

    /// <summary>
    /// Retires the value. Readers that come later get an <see cref="ObjectDisposedException"/>; a second call does
    /// nothing. If the function that gets the size throws, the value is retired with size 0, and the exception is
    /// passed on.
    /// </summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _value, null) is { } last)
        {
            _old.Retire(last);
        }
    }

    /// <param name="expected">Null for any value.</param>
    /// <param name="value">What the cell holds afterwards.</param>
    private bool TryExchange(T? expected, T value)
    {
        Domain.ThrowIfDisposed();
        T old;
        long bytes;

        // The size is read before the exchange, of a value that another writer may retire at any time, so a section
        // protects the value until then.
        using (RcuReadSection section = _old.AsksForSize ? Domain.EnterReadSection() : default)
        {
            do
            {
                old = Current();
                if (expected is not null && old != expected)
                {
                    return false;
                }

                bytes = _old.SizeOf(old);
            } while (Interlocked.CompareExchange(ref _value, value, old) != old);
        }

        // A value that replaces itself is not old.
        if (value != old)
        {
            _old.Retire(old, bytes);
        }

        return true;
    }

    private T Current() => Volatile.Read(ref _value) ?? throw new ObjectDisposedException(nameof(RcuCell<>));
}
