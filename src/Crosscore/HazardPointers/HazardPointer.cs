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
    /// Reads the source and protects what it holds until the next protection, <see cref="Clear"/> or
    /// <see cref="Dispose"/>: the object is not reclaimed before that.
    /// </summary>
    /// <remarks>
    /// The source held the result at some time during the call. Everything that was stored before the object was
    /// published is visible (acquire).
    /// </remarks>
    /// <param name="source">The only way to the object for readers: it is overwritten before the object is
    /// retired.</param>
    /// <returns>The object, or null if the source held none.</returns>
    /// <exception cref="InvalidOperationException">The handle is a default one, or was disposed of.</exception>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public T? Protect<T>(ref T? source)
        where T : class
    {
        HazardSlot slot = Slot;
        T? value = Volatile.Read(ref source);
        while (!slot.TryAnnounce(ref value, ref source)) { }

        return value;
    }

    /// <summary>Reads the source and protects the native pointer that it holds.</summary>
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
    /// Tries once to protect what was read from a source before, for algorithms that start again when the source has
    /// changed.
    /// </summary>
    /// <param name="value">What the source held; afterwards what it holds now, protected only if the result is
    /// true.</param>
    /// <param name="source">As for <see cref="Protect{T}(ref T)"/>.</param>
    /// <returns>Whether the source still held the value after it was announced, so that it is protected. Otherwise
    /// nothing is protected.</returns>
    /// <exception cref="InvalidOperationException">The handle is a default one, or was disposed of.</exception>
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
    /// Stops protecting. What this thread read from the objects comes before their reclamation (release).
    /// </summary>
    /// <exception cref="InvalidOperationException">The handle is a default one, or was disposed of.</exception>
    public void Clear() => Slot.Clear();

    /// <summary>
    /// Stops protecting and returns the slot. A second Dispose, also of a copy, and that of a default handle do
    /// nothing.
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
