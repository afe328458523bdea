using System.Buffers.Binary;
using Crosscore.Code;

namespace Crosscore.Tests.Code.Live;

/// <summary>How a site of the torture gets its value into eax.</summary>
public enum SiteKind
{
    /// <summary>mov eax, imm32: executed at another place while it changes.</summary>
    Move,

    /// <summary>jmp rel32 to a function that returns the value.</summary>
    Jump,

    /// <summary>call rel32 of it.</summary>
    Call,
}

/// <summary>
/// Functions whose first instruction has five bytes and is changed: one of each kind at every offset within 64 bytes,
/// and across the edge of a page. Version v returns the byte v four times, so a mixture of two versions shows.
/// </summary>
internal sealed class TortureCode : IDisposable
{
    private const int Versions = 256;
    private const int SiteLength = 5;
    private const int StubLength = 16;
    private const int Page = 4096;

    // Room for the copies of every version of every moved site, so that a run of any length fits: as many bytes as the
    // code has.
    private const int Length = 512 << 10;

    private readonly List<(int Offset, SiteKind Kind)> _sites = [];

    public TortureCode(Func<int, SiteKind, bool> wanted)
    {
        byte[] code = new byte[Length];
        code.AsSpan().Fill(0xCC);
        int at = 0;
        for (int version = 0; version < Versions; version++)
        {
            code[at] = 0xB8;
            BinaryPrimitives.WriteInt32LittleEndian(code.AsSpan(at + 1), Value(version));
            code[at + SiteLength] = 0xC3;
            at += StubLength;
        }

        foreach (SiteKind kind in Enum.GetValues<SiteKind>())
        {
            for (int offset = 0; offset < 64; offset++)
            {
                at = (at + 127) / 64 * 64;
                Add(code, at + offset, kind, wanted(offset, kind));
            }

            for (int before = 1; before < SiteLength; before++)
            {
                at = (at + (2 * Page)) / Page * Page;
                Add(code, at - before, kind, wanted(-before, kind));
            }
        }

        Code = LiveCode.Install(code, "torture");
    }

    public LiveCode Code { get; }

    public IReadOnlyList<(int Offset, SiteKind Kind)> Sites => _sites;

    /// <summary>
    /// An instruction that no thread executes, and that cannot be executed at another place: a patch that changes it as
    /// well cannot use breakpoints.
    /// </summary>
    public int UnmovableOffset { get; } = Length - 12;

    public static int Value(int version) => (version & 0xFF) * 0x01010101;

    public CodePatch PatchTo(int version, CodeMode mode, bool unmovable = false)
    {
        var patch = new CodePatch(mode);
        Span<byte> site = stackalloc byte[SiteLength];
        foreach ((int offset, SiteKind kind) in _sites)
        {
            Write(site, offset, kind, version & 0xFF);
            _ = patch.Replace(Code, offset, site);
        }

        return unmovable
            ? patch
                .Replace(Code, UnmovableOffset + 3, [(byte)version])
                .Replace(Code, UnmovableOffset + 6, [(byte)version])
            : patch;
    }

    public void Dispose() => Code.Dispose();

    private void Add(byte[] code, int offset, SiteKind kind, bool wanted)
    {
        if (_sites.Count == 0)
        {
            // call [rsp+disp32], at an offset where its displacement crosses 8 bytes.
            ((ReadOnlySpan<byte>)[0xFF, 0x94, 0x24, 0, 0, 0, 0]).CopyTo(code.AsSpan(UnmovableOffset));
        }

        if (wanted)
        {
            Write(code.AsSpan(offset), offset, kind, 0);
            code[offset + SiteLength] = 0xC3;
            _sites.Add((offset, kind));
        }
    }

    private static void Write(Span<byte> at, int offset, SiteKind kind, int version)
    {
        at[0] = kind switch
        {
            SiteKind.Move => 0xB8,
            SiteKind.Jump => 0xE9,
            _ => 0xE8,
        };
        BinaryPrimitives.WriteInt32LittleEndian(
            at[1..],
            kind == SiteKind.Move ? Value(version) : (version * StubLength) - (offset + SiteLength)
        );
    }
}
