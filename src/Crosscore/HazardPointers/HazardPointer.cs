using System.Runtime.CompilerServices;

namespace Crosscore.HazardPointers;

/// <summary>
/// A handle with which its thread protects one object at a time, from <see cref="HazardDomain.Acquire()"/> until
/// <see cref="Dispose"/>. A ref struct: the compiler keeps it on the stack of its thread, out of lambdas, fields, other
/// threads and across <c>await</c>.
/// </summary>
/// <remarks>
/// A handle may protect a managed reference and a native pointer at once, one of each. A copy is the same handle: when
/// one was disposed of, the others are too. A default handle protects nothing and throws.
/// </remarks>
public readonly ref struct HazardPointer : IDisposable
{
    private readonly HazardThread? _thread;
    private readonly HazardSlot? _slot;
    private readonly uint _ticket;

    internal HazardPointer(HazardThread thread, HazardSlot slot, uint ticket)
    {
        _thread = thread;
        _slot = slot;
        _ticket = ticket;
    }

    /// <summary>
    /// Reads the source and protects what it holds, until the next protection, <see cref="Clear"/> or
    /// <see cref="Dispose"/>: it will not be reclaimed in the meantime.
    /// </summary>
    /// <remarks>
    /// The result was in the source at one moment during the call. Everything stored before it was published is visible
    /// (acquire).
    /// </remarks>
    /// <param name="source">The only way to the object for readers: it is overwritten before the object is
    /// retired.</param>
    /// <returns>The object, or null if the source held none.</returns>
    /// <exception cref="InvalidOperationException">A default handle, or one that was disposed of.</exception>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public T? Protect<T>(ref T? source)
        where T : class
    {
        HazardSlot slot = Slot;
        T? value = Volatile.Read(ref source);
        while (!slot.TryAnnounce(ref value, ref source)) { }

        return value;
    }

    /// <summary>The same for a native pointer.</summary>
    /// <inheritdoc cref="Protect{T}(ref T)" path="/*[not(self::summary)]"/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public nint Protect(ref nint source)
    {
        HazardSlot slot = Slot;
        nint pointer = Volatile.Read(ref source);
        while (!slot.TryAnnounce(ref pointer, ref source)) { }

        return pointer;
    }

    /// <summary>
    /// One attempt to protect what was read from a source before. For algorithms that start again when the source has
    /// changed.
    /// </summary>
    /// <param name="value">What the source held; afterwards what it holds now, protected only if the answer is
    /// yes.</param>
    /// <param name="source">As for <see cref="Protect{T}(ref T)"/>.</param>
    /// <returns>Whether the source still held it after it had been announced, so that it is protected. Otherwise
    /// nothing is.</returns>
    /// <exception cref="InvalidOperationException">A default handle, or one that was disposed of.</exception>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool TryProtect<T>(ref T? value, ref T? source)
        where T : class
    {
        HazardSlot slot = Slot;
        if (slot.TryAnnounce(ref value, ref source))
        {
            return true;
        }

        slot.Clear();
        return false;
    }

    /// <inheritdoc cref="TryProtect{T}(ref T, ref T)"/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool TryProtect(ref nint value, ref nint source)
    {
        HazardSlot slot = Slot;
        if (slot.TryAnnounce(ref value, ref source))
        {
            return true;
        }

        slot.Clear();
        return false;
    }

    /// <summary>
    /// Protects nothing from here on; what this thread read from the objects before comes before their reclamation
    /// (release).
    /// </summary>
    /// <exception cref="InvalidOperationException">A default handle, or one that was disposed of.</exception>
    public void Clear() => Slot.Clear();

    /// <summary>
    /// Protects nothing from here on, and gives the slot back. Disposing of a default handle, or again, also of a copy,
    /// does nothing.
    /// </summary>
    public void Dispose()
    {
        if (_slot is not null && _slot.Ticket == _ticket)
        {
            _thread!.Return(_slot);
        }
    }

    private HazardSlot Slot
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get
        {
            HazardSlot? slot = _slot;
            if (slot is null || slot.Ticket != _ticket)
            {
                HazardSlot.ThrowNotHeld();
            }

            return slot;
        }
    }
}
