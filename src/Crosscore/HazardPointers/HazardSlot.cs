using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Crosscore.Threads;

namespace Crosscore.HazardPointers;

/// <summary>
/// What one <see cref="HazardPointer"/> announces. Its owner writes it at every protection, scans read it. Nothing else
/// that is written lies within 128 bytes, which is two cache lines, because processors fetch them in pairs.
/// </summary>
[StructLayout(LayoutKind.Explicit)]
internal sealed class HazardSlot
{
    /// <summary>
    /// The managed object that must not be reclaimed: a real reference, so the collector updates it when the object
    /// moves; compared by identity.
    /// </summary>
    [FieldOffset(120)]
    public object? Value;

    /// <summary>The native address that must not be reclaimed.</summary>
    [FieldOffset(128)]
    public nint Pointer;

    /// <summary>
    /// How often the slot was taken or returned; a handle that remembers another number was disposed of. Only the owner
    /// uses it.
    /// </summary>
    [FieldOffset(136)]
    public uint Ticket;

    [FieldOffset(144)]
    public CacheLines Behind;

    /// <summary>Stops protecting.</summary>
    /// <remarks>
    /// Release stores: what the owner read from the objects comes before. Pairs with the acquire loads of
    /// <see cref="HazardSnapshot"/>: a scan that sees the empty slot may let the object be overwritten. With plain
    /// stores an AArch64 core may read the object after the scan saw the slot empty:
    /// litmus/reclamation/HazardPointer.Exit.PlainStore.litmus.
    /// </remarks>
    public void Clear()
    {
        Volatile.Write(ref Value, null);
        Volatile.Write(ref Pointer, 0);
    }

    /// <summary>Announces an object and looks whether the source still holds it; then it is protected.</summary>
    /// <param name="value">What the source held; afterwards what it holds.</param>
    /// <param name="source">Where readers find the object.</param>
    /// <remarks>
    /// The announcement is a release store, because it also ends the protection of what was announced before. The light
    /// fence keeps the second look behind it. Pairs with <see cref="AsymmetricFence.Heavy"/> in HazardGarbageList: if
    /// the fence reaches this thread before the announcement, the second look sees that the object was unlinked;
    /// otherwise the scan sees the announcement. Fails without: litmus/reclamation/HazardPointer.NoBarrier.litmus,
    /// HazardPointer.NoSecondLook.litmus.
    /// </remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool TryAnnounce<T>(ref T? value, ref T? source)
        where T : class
    {
        T? announced = value;
        Volatile.Write(ref Value, announced);
        AsymmetricFence.Light();
        T? found = Volatile.Read(ref source);
        value = found;
        return ReferenceEquals(found, announced);
    }

    /// <inheritdoc cref="TryAnnounce{T}(ref T, ref T)"/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool TryAnnounce(ref nint value, ref nint source)
    {
        nint announced = value;
        Volatile.Write(ref Pointer, announced);
        AsymmetricFence.Light();
        nint found = Volatile.Read(ref source);
        value = found;
        return found == announced;
    }

    [DoesNotReturn]
    public static void ThrowNotHeld() =>
        throw new InvalidOperationException(
            "The hazard pointer is a default one, or it or a copy of it was disposed of, so it protects nothing. "
                + "Get one from HazardDomain.Acquire."
        );
}
