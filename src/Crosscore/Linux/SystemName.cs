using System.Text;

namespace Crosscore.Linux;

/// <summary>uname(2). Source: struct new_utsname of include/uapi/linux/utsname.h, six texts of 65 bytes each.</summary>
internal static unsafe class SystemName
{
    private const int FieldLength = 65;
    private const int Release = 2;
    private const int Version = 3;
    private const int Fields = 6;

    /// <summary>The release and the build of the kernel. Returns 0 or the negative error number.</summary>
    public static int Get(out string release, out string version)
    {
        Span<byte> names = stackalloc byte[FieldLength * Fields];
        int answer;

        // SAFETY: the kernel writes the six texts, for which there is room, into this frame.
        fixed (byte* first = names)
        {
            answer = (int)Libc.OrNegativeErrno(Libc.Uname(first));
        }

        release = answer < 0 ? "" : Text(names.Slice(Release * FieldLength, FieldLength));
        version = answer < 0 ? "" : Text(names.Slice(Version * FieldLength, FieldLength));
        return answer;
    }

    private static string Text(ReadOnlySpan<byte> field) =>
        Encoding.UTF8.GetString(field.IndexOf((byte)0) is >= 0 and var end ? field[..end] : field);
}
