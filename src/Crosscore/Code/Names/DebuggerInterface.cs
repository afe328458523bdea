using System.Globalization;
using System.Runtime.InteropServices;
using Crosscore.Linux;
using Crosscore.Sealing;
using Microsoft.Win32.SafeHandles;

namespace Crosscore.Code;

/// <summary>
/// gdb's JIT interface: gdb looks in every library for a function and a list, stops whenever the function is called,
/// and reads the list's new or going entry, which holds a file of symbols. Source: GDB manual, "JIT Compilation
/// Interface". The callers serialize the calls.
/// </summary>
internal sealed unsafe class DebuggerInterface : INameSink
{
    private const uint Register = 1;
    private const uint Unregister = 2;

    private readonly Descriptor* _descriptor;
    private readonly delegate* unmanaged<void> _notify;
    private readonly Dictionary<CodeSegment, nint> _entries = [];
#pragma warning disable IDE0052 // Held open: gdb opens the library by this descriptor's name in /proc.
    private readonly SafeFileHandle _library;
#pragma warning restore IDE0052

    private DebuggerInterface(SafeFileHandle library, nint handle)
    {
        _library = library;
        _descriptor = (Descriptor*)NativeLibrary.GetExport(handle, "__jit_debug_descriptor");
        _notify = (delegate* unmanaged<void>)NativeLibrary.GetExport(handle, "__jit_debug_register_code");
    }

    /// <summary>
    /// Loads the library from a sealed memory file, by a path with the process's number: gdb opens it by the path that
    /// the loader was given, and "self" would be gdb.
    /// </summary>
    public static DebuggerInterface Load()
    {
        byte[] returns = RuntimeInformation.ProcessArchitecture == Architecture.X64 ? [0xC3] : [0xC0, 0x03, 0x5F, 0xD6];
        byte[] library = ElfImage.JitInterfaceLibrary(Pages.Size, returns);
        SafeFileHandle file = SealedFile.Create("jit-names", library).Handle;
        nint handle = 0;
        string path = string.Create(
            CultureInfo.InvariantCulture,
            $"/proc/{Environment.ProcessId}/fd/{file.DangerousGetHandle()}"
        );
        try
        {
            handle = NativeLibrary.Load(path);
            return new DebuggerInterface(file, handle);
        }
        catch (Exception refusal)
            when (refusal is DllNotFoundException or BadImageFormatException or EntryPointNotFoundException)
        {
            NativeLibrary.Free(handle); // Does nothing where it was not loaded.
            file.Dispose();
            throw new CodeException(
                CodeFailure.ExecutableMappingRefused,
                $"The library with gdb's two symbols could not be loaded: {refusal.Message} Allow "
                    + "executable memory files.",
                cause: refusal
            );
        }
    }

    public void Added(CodeSegment segment)
    {
        byte[] symbols = ElfImage.SymbolsOf(segment);
        _ = _entries.EnsureCapacity(_entries.Count + 1); // Whatever can fail comes before gdb's list is changed.
        var entry = (Entry*)NativeMemory.Alloc((nuint)(sizeof(Entry) + symbols.Length));
        byte* file = (byte*)(entry + 1);
        symbols.CopyTo(new Span<byte>(file, symbols.Length)); // SAFETY: as many bytes were allocated behind the entry
        *entry = new Entry
        {
            Next = _descriptor->First,
            File = file,
            FileSize = (ulong)symbols.Length,
        };
        if (entry->Next != null)
        {
            entry->Next->Previous = entry;
        }

        _descriptor->First = entry;
        _entries.Add(segment, (nint)entry);
        Notify(Register, entry);
    }

    public void Removed(CodeSegment segment)
    {
        if (!_entries.Remove(segment, out nint address))
        {
            return;
        }

        var entry = (Entry*)address;
        if (entry->Previous != null)
        {
            entry->Previous->Next = entry->Next;
        }
        else
        {
            _descriptor->First = entry->Next;
        }

        if (entry->Next != null)
        {
            entry->Next->Previous = entry->Previous;
        }

        Notify(Unregister, entry);
        // SAFETY: gdb reads it only while the process stands in the function, and the list does not lead to it any
        // more.
        NativeMemory.Free(entry);
    }

    private void Notify(uint action, Entry* entry)
    {
        _descriptor->Action = action;
        _descriptor->Relevant = entry;
        _notify();
        _descriptor->Action = 0;
        _descriptor->Relevant = null;
    }

    /// <summary>struct jit_descriptor.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct Descriptor
    {
        public uint Version;
        public uint Action;
        public Entry* Relevant;
        public Entry* First;
    }

    /// <summary>struct jit_code_entry.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct Entry
    {
        public Entry* Next;
        public Entry* Previous;
        public byte* File;
        public ulong FileSize;
    }
}
